"""Short scripts with the public interface."""
