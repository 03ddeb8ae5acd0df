# compiler/driver
