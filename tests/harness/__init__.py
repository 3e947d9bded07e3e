"""What the tests share: a runner for the backend, cases, assertions, and child processes.

runner       values, gradients and modes of the backend that Keras runs on (KERAS_BACKEND)
cases        configurations of max pooling, inputs to fill them with, and the reference's answers
assertions   how results are compared
processes    code in a process of its own
install      what a test needs besides the extra "test"
layers       every public layer: families, arguments, inputs
keras_version   Keras 3, or Keras 2 under TF_USE_LEGACY_KERAS
commands     the command line, called in this process
"""
