"""The command line and one file per figure or sweep. The only package that draws or prints."""
