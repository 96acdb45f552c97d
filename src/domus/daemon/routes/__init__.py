"""The API: one file per noun, each with its rows; `table` puts them together."""
