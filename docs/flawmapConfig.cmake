# find_package(flawmap) gives flawmap::flawmap, the shared library with its header.
include("${CMAKE_CURRENT_LIST_DIR}/flawmapTargets.cmake")
