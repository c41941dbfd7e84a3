"""What `fsapp doctor` looks at: facts are gathered (ask_*, gather), then judged (judge_*, checks). Mends nothing."""
