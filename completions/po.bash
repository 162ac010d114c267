# bash completion for po. Generated; see po_sessions/cli/completion.py.

_po() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local path="" words="" objects=0 given=0 i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --as|--before|--body|--context|--description|-d|--file|-f|--format|-f|--idempotency-key|--if-turns|--keep-last|--limit|-n|--lock-timeout|--max-size|--model|-m|--number|-n|--older-than|--option|-o|--output|-o|--po|--range|--root|--session|-s|--to)
                ((i++))
                continue
                ;;
            -*) continue ;;
        esac
        case "${path:+$path }$word" in
            send|session|'session new'|'session ensure'|'session list'|'session show'|'session current'|'session switch'|'session rename'|'session delete'|'session duplicate'|'session adopt'|'session undo'|'session retry'|'session path'|'session export'|'session import'|'session prune'|'session compact'|trash|'trash list'|'trash restore'|'trash empty'|backup|'backup create'|'backup list'|'backup restore'|object|'object list'|'object show'|'object new'|'object path'|'object switch'|'object rename'|'object delete'|model|'model list'|'model default'|'model pull'|config|'config list'|'config get'|'config set'|'config unset'|'config path'|doctor|init|status) path="${path:+$path }$word" ;;
            *) ((given++)) ;;
        esac
    done
    case $prev in
        --po) objects=1 ;;
        --root)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        --file|-f|--output|-o)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --as|--before|--body|--context|--description|-d|--format|--idempotency-key|--if-turns|--keep-last|--limit|-n|--lock-timeout|--max-size|--model|-m|--number|-n|--older-than|--option|--range|--session|-s|--to) return ;;
    esac
    [[ $prev == --po ]] || case $path in
        "")
            words="send session trash backup object model config doctor init status --root --quiet --json --debug --help --lock-timeout --no-wait --version"
            ;;
        send)
            words="--stdin --file --session --new --create --switch --no-save --model --option --context --idempotency-key --if-turns --no-stream --dry-run --literal --yes --lock-timeout --no-wait --root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        session)
            words="new ensure list show current switch rename delete duplicate adopt undo retry path export import prune compact --root --quiet --json --debug --help"
            ;;
        'session new')
            words="--po --switch --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session ensure')
            words="--po --switch --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session list')
            words="--po --all --limit --ids --orphaned --root --quiet --json --debug --help"
            ;;
        'session show')
            words="--po --last --range --root --quiet --json --debug --help"
            ;;
        'session current')
            words="--po --all --ids --root --quiet --json --debug --help"
            ;;
        'session switch')
            words="--po --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session rename')
            words="--po --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session delete')
            words="--po --purge --yes --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session duplicate')
            words="--po --to --switch --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session adopt')
            words="--po --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session undo')
            words="--number --po --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session retry')
            words="--po --model --option --context --no-stream --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session path')
            words="--po --root --quiet --json --debug --help"
            ;;
        'session export')
            words="--po --all --format --output --force --root --quiet --json --debug --help"
            ;;
        'session import')
            words="--po --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session prune')
            words="--older-than --before --empty --keep-last --max-size --po --all --purge --yes --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'session compact')
            words="--po --model --option --undo --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        trash)
            words="list restore empty --root --quiet --json --debug --help"
            ;;
        'trash list')
            words="--ids --root --quiet --json --debug --help"
            ;;
        'trash restore')
            words="--as --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'trash empty')
            words="--older-than --yes --root --quiet --json --debug --help"
            ;;
        backup)
            words="create list restore --root --quiet --json --debug --help"
            ;;
        'backup create')
            words="--po --all --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'backup list')
            words="--po --all --ids --root --quiet --json --debug --help"
            ;;
        'backup restore')
            words="--as --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        object)
            words="list show new path switch rename delete --root --quiet --json --debug --help"
            ;;
        'object list')
            words="--root --quiet --json --debug --help"
            ;;
        'object show')
            words="--root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        'object new')
            words="--description --model --body --lock-timeout --no-wait --root --quiet --json --debug --help"
            ;;
        'object path')
            words="--root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        'object switch')
            words="--lock-timeout --no-wait --root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        'object rename')
            words="--lock-timeout --no-wait --root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        'object delete')
            words="--lock-timeout --no-wait --root --quiet --json --debug --help"
            ((given == 0)) && objects=1
            ;;
        model)
            words="list default pull --root --quiet --json --debug --help"
            ;;
        'model list')
            words="--root --quiet --json --debug --help"
            ;;
        'model default')
            words="--root --quiet --json --debug --help"
            ;;
        'model pull')
            words="--root --quiet --json --debug --help"
            ;;
        config)
            words="list get set unset path --root --quiet --json --debug --help"
            ;;
        'config list')
            words="--root --quiet --json --debug --help"
            ;;
        'config get')
            words="--root --quiet --json --debug --help"
            ;;
        'config set')
            words="--root --quiet --json --debug --help"
            ;;
        'config unset')
            words="--root --quiet --json --debug --help"
            ;;
        'config path')
            words="--root --quiet --json --debug --help"
            ;;
        doctor)
            words="--repair --root --quiet --json --debug --help"
            ;;
        init)
            words="--root --quiet --json --debug --help"
            ;;
        status)
            words="--root --quiet --json --debug --help"
            ;;
    esac
    ((objects)) && words+=" $(command po object list --quiet 2>/dev/null </dev/null | cut -f 2)"
    [[ $cur == -* ]] || words=$(tr ' ' '\n' <<<"$words" | grep -v '^-')
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _po po
