# Run by CPack before it packs: what Debian wants compressed, without a date inside, so that the same files give the same bytes.
file(GLOB_RECURSE files ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/*.1 ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog
     ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/*.1 ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/*/changelog)
foreach(file ${files})
  execute_process(COMMAND gzip -9nf ${file} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "gzip could not compress ${file}")
  endif()
endforeach()
# Debian's zsh looks for completions of packages in a folder of its own.
file(GLOB folders ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/zsh ${CPACK_TEMPORARY_DIRECTORY}/usr/share/zsh)
foreach(folder ${folders})
  if(EXISTS ${folder}/site-functions)
    file(RENAME ${folder}/site-functions ${folder}/vendor-completions)
  endif()
endforeach()
