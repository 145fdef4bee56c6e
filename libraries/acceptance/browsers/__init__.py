"""Browsers: the engines of this machine, where things are on the page, and what pictures show."""
