# compiler/backend
