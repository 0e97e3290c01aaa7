-- SPDX-License-Identifier: Apache-2.0
-- sqlite.sql - the bench's work for a database in memory: inserts, indices,
-- joins, aggregates, updates, text.
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INT, price REAL, name TEXT);
CREATE TABLE sale(id INTEGER PRIMARY KEY, item INT, day INT, number INT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO item SELECT i, i * 7919 % 101, i * 37 % 1009 / 7.0,
	'item ' || (i * 31 % 5003) || hex(i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
INSERT INTO sale SELECT i, i * 7907 % 40000 + 1, i % 365, i % 13 + 1 FROM n;
COMMIT;
CREATE INDEX item_kind ON item(kind, price);
CREATE INDEX item_name ON item(name);
CREATE INDEX sale_item ON sale(item);
SELECT kind, count(*), round(sum(price * number), 2) FROM sale
	JOIN item ON item.id = sale.item GROUP BY kind ORDER BY 3 DESC LIMIT 10;
SELECT day, total, round(avg(total) OVER (ORDER BY day
	ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), 3)
	FROM (SELECT day, sum(number) AS total FROM sale GROUP BY day)
	ORDER BY total DESC, day LIMIT 10;
SELECT count(*), min(name), max(name) FROM item WHERE name LIKE '%7%a%';
UPDATE item SET price = price * 1.1 WHERE kind IN (3, 5, 7, 11, 13, 17);
DELETE FROM sale WHERE item IN (SELECT id FROM item WHERE kind > 90);
SELECT a.kind, count(*) FROM item a JOIN item b ON a.name = b.name
	AND a.id < b.id GROUP BY a.kind ORDER BY 2 DESC, 1 LIMIT 5;
SELECT group_concat(name, '+') FROM (SELECT substr(upper(name), 3, 4) AS name
	FROM item ORDER BY price DESC, id LIMIT 20);
SELECT count(*), sum(number), (SELECT round(sum(price), 3) FROM item) FROM sale;
PRAGMA integrity_check;
