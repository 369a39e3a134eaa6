"""What a model answers, and maps in bands and runs."""
