# A file of OpenCL C with one text changed: NAME=function OLD=text NEW=text awk -f sign_flip.awk FILE. The text stands once in the
# function or macro of that name (in all of its definitions together); else nothing is written and the status is 1.
BEGIN { name = ENVIRON["NAME"]; old = ENVIRON["OLD"]; new = ENVIRON["NEW"] }
function begins() {
  if (index($0, "#define " name "(") == 1) return "macro"
  return (/^inline / && index($0, " " name "(")) || index($0, "KERNEL void " name "(") == 1 || index($0, ") void " name "(") ? "function" : ""
}
!inside { inside = begins() }
inside && (at = index($0, old)) {
  rest = substr($0, at + length(old))
  found += index(rest, old) ? 2 : 1
  $0 = substr($0, 1, at - 1) new rest
}
{ text[NR] = $0 }
inside == "macro" && !/\\$/ { inside = "" }
inside == "function" && (/^}/ || /^inline .*}$/) { inside = "" }
END {
  if (found != 1) exit 1
  for (i = 1; i <= NR; i++) print text[i]
}
