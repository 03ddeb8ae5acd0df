# tests/lint -- rules of the house, and the documents that they are read from
TESTS += tests/lint/rooms.sh
EXTRA_DIST += tests/lint/rooms.sh CONTRIBUTING.md docs/architecture.md docs/benchmarks.md \
	docs/images/4_barcodes.jpg docs/images/diamondmarkers.jpg docs/images/LICENCE
