# bash completion for po. What can be completed is told by `po __complete`; see po_sessions/cli/completing.py.

_po() {
    local po=$1 kind reply
    case $po in
        '~/'*) po=$HOME/${po#'~/'} ;;
        */*) ;;
        *) po=po ;; # an alias has another name
    esac
    COMPREPLY=()
    {
        read -r kind
        while IFS= read -r reply; do
            COMPREPLY+=("$reply")
        done
    } < <(command "$po" __complete bash "$COMP_TYPE" "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null)
    case $kind in
        files) compopt -o default ;;
        directories) compopt -o dirnames ;;
    esac 2>/dev/null
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o nosort -F _po po 2>/dev/null || complete -F _po po
