# tests/lint -- rules of the house
TESTS += tests/lint/rooms.sh
EXTRA_DIST += tests/lint/rooms.sh docs/architecture.md
