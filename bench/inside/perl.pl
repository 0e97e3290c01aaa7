# SPDX-License-Identifier: Apache-2.0
# perl.pl FILE... - the bench's work for Perl: reads text, matches, counts,
# sorts, substitutes, and walks structures.
use strict;
use warnings;

my (%count, %where, $lines);
my $text = '';
for my $file (@ARGV) {
	open my $f, '<', $file or die "$file: $!";
	while (<$f>) {
		$lines++;
		$text .= $_;
		for my $word (/\b([A-Za-z_]\w+)\b/g) {
			$count{$word}++;
			push @{$where{lc $word}}, $lines if length $word > 9;
		}
	}
}
my @order = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$lines lines, ", scalar @order, " words: @order[0 .. 15]\n";

my $defs = () = $text =~ /^\s*(?:def|class)\s+(\w+)\s*\(([^()]*)\)/mg;
my $doubles = () = $text =~ /\b(\w+)\W+\1\b/g;
(my $other = $text) =~ s/(["'])((?:(?!\1)[^\\\n])*)\1/<$2>/g;
$other =~ tr/a-zA-Z/n-za-mN-ZA-M/;
my $sum = unpack '%32C*', $other;
print "$defs $doubles ", length $other, " $sum\n";

my $gaps = 0;
for my $w (keys %where) {
	my @at = @{$where{$w}};
	$gaps += $at[$_] - $at[$_ - 1] for 1 .. $#at;
}
print "$gaps\n";

# A loop of numbers, a sub that is called, and strings put together.
sub step { my ($n) = @_; return $n % 2 ? 3 * $n + 1 : $n / 2 }
my ($best, $most) = (0, 0);
for my $i (1 .. 7000) {
	my ($n, $k) = ($i, 0);
	while ($n != 1) { $n = step($n); $k++ }
	($best, $most) = ($i, $k) if $k > $most;
}
print join(',', map { sprintf '%05x', $_ ** 2 } $best, $most), "\n";
