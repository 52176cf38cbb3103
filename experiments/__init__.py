"""Command line, benchmarks, figures and reproductions. The only package that draws or prints."""
