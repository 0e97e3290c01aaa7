// SPDX-License-Identifier: Apache-2.0
// node.js - the bench's work for a compiler that runs beside its program:
// numbers, objects, closures, maps, strings, regular expressions, buffers.
'use strict';
const crypto = require('crypto');

function spectral(n, rounds) {
	const at = (i, j) => 1 / ((i + j) * (i + j + 1) / 2 + i + 1);
	let u = new Float64Array(n).fill(1);
	for (let r = 0; r < rounds; r++) {
		const v = new Float64Array(n);
		for (let i = 0; i < n; i++) {
			let s = 0;
			for (let j = 0; j < n; j++)
				s += at(i, j) * u[j];
			v[i] = s;
		}
		u = v;
	}
	return u.reduce((a, b) => a + b).toPrecision(12);
}

class Node {
	constructor(depth, value) {
		this.value = value;
		this.kids = depth ? [new Node(depth - 1, 2 * value),
				     new Node(depth - 1, 2 * value + 1)] : [];
	}
	total() {
		return this.kids.reduce((s, k) => s + k.total(), this.value);
	}
}

function words(count) {
	const seen = new Map();
	let x = 1;
	for (let i = 0; i < count; i++) {
		x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
		const w = 'w' + (x >> 14).toString(36);
		seen.set(w, (seen.get(w) || 0) + i % 3);
	}
	const order = [...seen].sort((a, b) => b[1] - a[1] ||
				     (a[0] < b[0] ? -1 : 1));
	const text = order.map(([w, n]) => w + n).join(' ');
	return [seen.size, text.match(/w\w*a\w*\d\b/g).length,
		text.replace(/[aeiou]+/g, m => m.toUpperCase()).slice(0, 30)];
}

function documents(count) {
	let data = [];
	for (let i = 0; i < count; i++)
		data.push({ id: i, name: `n${i}`, f: i / 7, deep: [[i], { a: null }] });
	for (let i = 0; i < 4; i++)
		data = JSON.parse(JSON.stringify(data)).map(o => ({ ...o, i }));
	return crypto.createHash('sha1').update(JSON.stringify(data)).digest('hex');
}

// The same source made into functions many times: new code all the while.
function compiled(count) {
	let sum = 0;
	for (let i = 0; i < count; i++) {
		const f = new Function('a', 'b', `let s = ${i};
			for (let k = 0; k < 300; k++) s = (s * a + b + ${i}) % 65521;
			return s;`);
		for (let k = 0; k < 20; k++)
			sum += f(i, k);
	}
	return sum;
}

async function later(count) {
	let sum = 0;
	for (let i = 0; i < count; i++)
		sum += await new Promise(r => setImmediate(r, i % 7));
	return sum;
}

console.log(spectral(500, 12));
console.log(new Node(15, 1).total());
console.log(words(150000));
console.log(documents(6000));
console.log(compiled(400));
later(10000).then(console.log);
