"""`vidfake demo`: the whole path on media that is free to use, or on a folder of the user's own videos."""
