# find_package(lacewing PATHS <bundle>) with LACEWING_CORE set to one of the folders of lib/: the target lacewing::lacewing.
set(lacewing_VERSION "@VERSION@")
get_filename_component(_lacewing_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT LACEWING_CORE)
  message(FATAL_ERROR "set LACEWING_CORE to the core's folder in ${_lacewing_root}/lib, for example thumbv7em-none-eabihf")
endif()
if(NOT TARGET lacewing::lacewing)
  add_library(lacewing::lacewing STATIC IMPORTED)
  set_target_properties(lacewing::lacewing PROPERTIES
    IMPORTED_LOCATION "${_lacewing_root}/lib/${LACEWING_CORE}/liblacewing.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_lacewing_root}/include")
endif()
