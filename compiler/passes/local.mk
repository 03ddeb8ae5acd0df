# compiler/passes
