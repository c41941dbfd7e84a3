"""What `fsapp followups run` does: looks at interactions that are over, and tells others what follows from them."""
