"""What `scripts/demo` needs besides the lab: programs, and callers on a real switch. Shows nothing itself."""
