"""The layers: thin, they hold the arguments, call the op and describe themselves."""
