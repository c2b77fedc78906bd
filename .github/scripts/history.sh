#!/usr/bin/env bash
# The history of the nightly runs is on a branch of its own, so that it outlives artifacts and caches.
#
#   history.sh checkout DIR   check the branch out in DIR, or start it there
#   history.sh publish DIR    commit what is new in DIR and push it
set -euo pipefail
branch=history

checkout() {
    if git ls-remote --exit-code origin "refs/heads/$branch" >/dev/null; then
        git fetch --quiet --depth 1 origin "+refs/heads/$branch:refs/remotes/origin/$branch"
        git worktree add --quiet --force -B "$branch" "$1" "origin/$branch"
    else
        git worktree add --quiet --force --detach --no-checkout "$1"
        git -C "$1" symbolic-ref HEAD "refs/heads/$branch"  # a branch without a first commit
    fi
}

publish() {
    git -C "$1" add --all
    if git -C "$1" diff --cached --quiet; then
        echo "nothing new for the branch $branch"
        return
    fi
    git -C "$1" -c user.name="github-actions[bot]" -c user.email="github-actions[bot]@users.noreply.github.com" \
        commit --quiet --message "Verdicts of $(git rev-parse --short HEAD)"
    git -C "$1" push --quiet origin "HEAD:refs/heads/$branch"
}

case "${1-}:${2:+folder}" in
    checkout:folder) checkout "$2" ;;
    publish:folder) publish "$2" ;;
    *)
        echo "usage: $0 checkout|publish DIR" >&2
        exit 2
        ;;
esac
