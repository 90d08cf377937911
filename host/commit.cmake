# Writes ${OUT}, fm_commit of base/status.h: the commit that the sources in ${SOURCE} are, with -dirty where something was changed; "" where git does not
# know, as in an archive. The file is touched only where that has changed.
set(commit "")
if(EXISTS ${SOURCE}/.git)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env GIT_OPTIONAL_LOCKS=0 git -C ${SOURCE} describe --always --dirty --abbrev=40 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
    set(commit "")
  endif()
endif()
set(text "#include \"base/status.h\"\nconst char *fm_commit(void) {\n  return \"${commit}\";\n}\n")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT text STREQUAL old)
  file(WRITE ${OUT} "${text}")
endif()
