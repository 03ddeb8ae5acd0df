# compiler/elab
