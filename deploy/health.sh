#!/usr/bin/env bash
# Whether the silo in this container is ready: 0 if GET /health/ready on this machine answers 200, otherwise 1.
#   health.sh PORT
# The image has no curl or wget, and starting the program itself takes longer than a check should; bash opens sockets by itself.
set -uo pipefail

port=${1:?usage: health.sh PORT}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
# HTTP/1.0: the server closes when it has answered, and needs no Host.
printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3 || exit 1
# A frozen silo accepts and never answers. Exit code 1, because Docker reserves the others.
read -r -t 3 _ status _ <&3 || exit 1
echo "$status"
[ "$status" = 200 ] || exit 1
