# shellcheck shell=bash
# Gets packages of any Debian suite without touching the system's apt. To be sourced by bash, not run.
#
# The system's own apt sources are copied with the suite switched, so mirror, keys and proxy stay those the
# machine's owner chose. Lists and caches live in a private folder; root is not needed, nothing is installed.

# debian_open DIR SUITE deb|deb-src [ARCHITECTURE]: fetches the package lists of SUITE's main component into DIR, by default
# for this machine's architecture.
# Afterwards `apt-get -c DIR/apt.conf ...` and `apt-cache -c DIR/apt.conf ...` see that suite only.
debian_open() {
	local dir=$1 suite=$2 type=$3 architecture=${4:-}
	command -v apt-get >/dev/null || { echo "no apt-get here" >&2; return 1; }
	mkdir -p "$dir/sources" "$dir/lists/partial" "$dir/cache/archives/partial"
	debian_sources "$dir/sources" "$suite" "$type"
	debian_conf "$dir" >"$dir/apt.conf"
	[ -z "$architecture" ] || debian_conf_for "$architecture" >>"$dir/apt.conf"
	# A third-party source that lacks the suite makes update fail although Debian answered:
	# what counts is whether the package is found later.
	apt-get -c "$dir/apt.conf" update >"$dir/update.log" 2>&1 || true
}

# debian_conf DIR: the options that keep apt inside DIR. It is read after the system's configuration.
debian_conf() {
	cat <<-CONF
	Dir::State::lists "$1/lists";
	Dir::State::status "/dev/null"; // what is installed here does not count
	Dir::Cache "$1/cache";
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$1/sources";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Acquire::Languages "none";
	Acquire::Retries "3";
	Acquire::http::Timeout "30";
	Acquire::https::Timeout "30";
	APT::Sandbox::User "root"; // apt's own user may not read this folder
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	CONF
}

# debian_conf_for ARCHITECTURE: the options that make apt see packages of that architecture, and no other.
debian_conf_for() {
	cat <<-CONF
	APT::Architecture "$1";
	#clear APT::Architectures;
	APT::Architectures { "$1"; };
	CONF
}

# debian_sources DIR SUITE deb|deb-src: writes the switched copies of the system's sources to DIR.
# Taken is what offers binary packages from "main" of a Debian suite; security and update suites are not.
debian_sources() {
	local dir=$1 suite=$2 type=$3 etc file
	local suites=" bookworm trixie forky duke sid oldstable stable testing unstable "
	eval "$(apt-config shell etc Dir::Etc/d)"
	rm -f "$dir"/*
	for file in "${etc%/}"/sources.list "${etc%/}"/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		awk -v type="$type" -v suite="$suite" -v suites="$suites" "$debian_list_awk" "$file" \
			>"$dir/$(basename "$file" .list).list"
	done
	for file in "${etc%/}"/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk -v type="$type" -v suite="$suite" -v suites="$suites" "$debian_sources_awk" "$file" \
			>"$dir/$(basename "$file")"
	done
}

# One-line sources: "deb [options] URI suite component..."
debian_list_awk='
{
	sub(/#.*/, "")
	options = ""
	if (match($0, /\[[^]]*\]/)) {
		options = substr($0, RSTART, RLENGTH) " "
		gsub(/arch[+-]?=[^] ]*/, "", options)
		$0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
	}
}
$1 == "deb" && index(suites, " " $3 " ") {
	for (i = 4; i <= NF; i++)
		if ($i == "main") print type, options $2, suite, "main"
}'

# Deb822 sources: paragraphs of "Field: value", where lines that start with a blank go on with the field above.
debian_sources_awk='
BEGIN { RS = ""; FS = "\n" }
{
	split("", words)
	kept = ""
	for (i = 1; i <= NF; i++) {
		if ($i ~ /^#/) continue
		line = $i
		if (line ~ /^[^ \t]/) {
			name = tolower(substr(line, 1, index(line, ":") - 1))
			line = substr(line, index(line, ":") + 1)
		}
		if (name ~ /^(types|suites|components|architectures)$/) words[name] = words[name] " " line " "
		else kept = kept $i "\n"
	}
	gsub(/\t/, " ", words["types"]); gsub(/\t/, " ", words["components"])
	n = split(words["suites"], list, /[ \t]+/)
	debian = 0
	for (i = 1; i <= n; i++) if (list[i] != "" && index(suites, " " list[i] " ")) debian = 1
	if (debian && index(words["types"], " deb ") && index(words["components"], " main "))
		print "Types: " type "\nSuites: " suite "\nComponents: main\n" kept
}'
