# compiler/engine
