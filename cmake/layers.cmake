# One target per layer, each seeing only the include roots of the layers it may use, so that a wrong
# include does not compile. A root is a folder of the build tree that holds one symbolic link:
#   <build>/roots/core/curfew/core -> include/curfew/core
#   <build>/roots/adapters_http/adapters/http -> daemon/adapters/http
function(curfew_root name source link)
  set(root ${CMAKE_BINARY_DIR}/roots/${name})
  get_filename_component(parent ${root}/${link} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${source} ${root}/${link} SYMBOLIC)
  set(CURFEW_ROOT_${name} ${root} PARENT_SCOPE)
endfunction()

# curfew_layer(core SOURCES … USES …): static library curfew_core from SOURCES (a header-only layer
# has none), linking the layers and libraries in USES and publishing its own root.
function(curfew_layer name)
  cmake_parse_arguments(ARG "" "ROOT;LINK" "SOURCES;USES" ${ARGN})
  curfew_root(${name} ${ARG_ROOT} ${ARG_LINK})
  if(ARG_SOURCES)
    add_library(curfew_${name} STATIC ${ARG_SOURCES})
    target_include_directories(curfew_${name} PUBLIC ${CURFEW_ROOT_${name}})
    target_link_libraries(curfew_${name} PUBLIC ${ARG_USES} PRIVATE curfew_flags)
  else()
    add_library(curfew_${name} INTERFACE)
    target_include_directories(curfew_${name} INTERFACE ${CURFEW_ROOT_${name}})
    target_link_libraries(curfew_${name} INTERFACE ${ARG_USES})
  endif()
endfunction()
