"""Access: who asks, what they may do, and what they may see."""
