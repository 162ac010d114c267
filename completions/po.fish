# fish completion for po. What can be completed is told by `po __complete`; see po_sessions/cli/completing.py.

function __po_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l po $words[1]
    string match -q -- '*/*' $po; or set po po # an alias has another name
    set -l answer (command $po __complete fish $words[2..] "$token" 2>/dev/null </dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path "$token"
        case directories
            __fish_complete_directories "$token" ''
        case '*'
            set -q answer[2]; and printf '%s\n' $answer[2..]
    end
end

complete -c po -f -k -a '(__po_complete)'
