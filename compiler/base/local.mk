# compiler/base
