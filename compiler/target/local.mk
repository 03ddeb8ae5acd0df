# compiler/target
