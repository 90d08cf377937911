# Completion for bash. It asks flawmap itself for its commands and options (--list-options), so it knows the constants of
# the --method that stands on the line, and no option can be missing here.
_flawmap() {
  local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local -a method=()
  local i table values name kind argument help words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words="$("$program" --list-options 2>/dev/null | cut -f1) --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi
  for ((i = 2; i + 1 < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == --method ]] && method=(--method "${COMP_WORDS[i + 1]}")
  done
  table=$("$program" "$command" "${method[@]}" --list-options 2>/dev/null) || return
  while IFS=$'\t' read -r name kind argument help; do
    words+=" $name"
    [[ $kind == value && $name == "$previous" ]] && values=$argument
  done < <(tr -s '\t' <<<"${table//$'\t\t'/$'\t-\t'}")
  case $previous in
    --recipe) values=$("$program" train --recipe list 2>/dev/null | awk '{ print $1 }') ;;
    --backbone) values=$("$program" bench --list 2>/dev/null | awk '{ print $1 }') ;;
    *) [[ ${values-} =~ ^[a-z0-9]+(\|[a-z0-9]+)+$ ]] && values=${values//|/ } || values=${values:+-} ;;
  esac
  if [[ ${values-} == - ]]; then # a number or a file: the shell completes files by itself
    return
  elif [[ ${values-} ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$word")
  fi
}
complete -o bashdefault -o default -F _flawmap flawmap
