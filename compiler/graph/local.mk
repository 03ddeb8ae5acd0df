# compiler/graph
