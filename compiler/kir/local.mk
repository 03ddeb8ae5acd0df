# compiler/kir
