#!/bin/sh
# A CA of your own, and a certificate that it signs for each host: sh ownca.sh logs-a.example.com 192.0.2.2 ...
# Makes ca.key and ca.pem where they are not there yet, and NAME.key and NAME.pem.  Needs OpenSSL 3.
set -eu
umask 077

if [ ! -e ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Our logs" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.pem
fi

for name; do
    case $name in
        *:* | *.*.*.*[0-9]) kind=IP ;;
        *) kind=DNS ;;
    esac
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -addext "subjectAltName=$kind:$name" -keyout "$name.key" -out "$name.csr"
    openssl x509 -req -in "$name.csr" -copy_extensions copy -CA ca.pem -CAkey ca.key -days 397 -out "$name.pem"
    rm "$name.csr"
done
