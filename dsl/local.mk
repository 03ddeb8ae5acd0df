# dsl
