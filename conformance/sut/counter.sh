#!/bin/sh
# What patients decide, told to the gateway of a configuration: counter.sh CONFIG do=VERB KEY=VALUE... The verbs and keys are those of 'passerelle dmp'.
set -eu
config=$1
shift
do= patient= group= members=
for pair; do
	case $pair in
	do=*) do=${pair#do=} ;;
	patient=*) patient=${pair#patient=} ;;
	group=*) group=${pair#group=} ;;
	members=*) members=$(echo "${pair#members=}" | tr , ' ') ;;
	esac
done
if [ "$do" = members ]; then
	# shellcheck disable=SC2086 # a word for each member
	exec ./bin/passerelle dmp members --config "$config" "$group" $members
fi
for pair; do
	case $pair in
	do=* | patient=*) ;;
	accept=*) set -- "$@" --accept ;;
	*) set -- "$@" "--$pair" ;;
	esac
	shift
done
exec ./bin/passerelle dmp "$do" --config "$config" --patient "$patient" "$@"
