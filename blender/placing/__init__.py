"""Results on their way into the film."""
