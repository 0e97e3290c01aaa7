# SPDX-License-Identifier: Apache-2.0
# redis.sh - the bench's work for a server and its clients over loopback: a
# fixed number of requests of some kinds, then what is in the database.
set -e
redis-server --port 6379 --bind 127.0.0.1 --save '' --appendonly no \
	--enable-debug-command local --daemonize yes \
	--pidfile "$PWD/pid" --logfile "$PWD/log"
until redis-cli ping >ping 2>&1 && grep -q PONG ping; do
	sleep 0.05
done
redis-benchmark -q -n 4000 -c 20 -t set,get,incr,lpush,sadd,hset,mset >figures
redis-benchmark -q -n 30000 -c 20 -P 16 -t set,get,lrange_100 >>figures
i=0
while [ $i -lt 2000 ]; do
	echo "ZADD z $((i * 7919 % 1009)) m$i"
	echo "HSET h f$((i * 31 % 503)) $i"
	i=$((i + 1))
done | redis-cli --pipe | tail -n 1
redis-cli eval 'local s = 0
	for i = 1, 200000 do s = (s * 31 + i) % 65521 end
	return s' 0
redis-cli zrange z 100 120
redis-cli hlen h
redis-cli get counter:__rand_int__
redis-cli llen mylist
redis-cli debug digest
redis-cli shutdown nosave
