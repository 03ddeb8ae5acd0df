# tests -- what spans rooms; each room's own tests are listed in its fragment.
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; builddir='$(builddir)'; export srcdir builddir;
