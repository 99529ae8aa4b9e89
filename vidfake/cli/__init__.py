"""The command line. Library code raises; only this package prints."""
