# sh password.sh NAME: prints the password that the environment variable NAME holds, written as XML wants it. Prints nothing
# for one that is missing, empty or everybody's first guess; says so where the switch was started, or in the journal.
given=$(printenv "$1")
case $given in
    "") exit ;;
    [Cc]lue[Cc]on | 1234 | 12345 | 123456 | 12345678 | 0000 | 1111 | password | secret | changeme)
        echo "fsapp: $1 is a password everybody knows and is not taken: choose another one" >&2
        exit ;;
esac
printf '%s' "$given" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
