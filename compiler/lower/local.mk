# compiler/lower
