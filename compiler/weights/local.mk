# compiler/weights
