"""The command line as a whole: root options, the invocation, usage errors, input."""
