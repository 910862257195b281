#!/bin/sh
# Copies Python with all libraries that it and the packages load, so that it runs in any Linux image of this processor.
set -e
agent=/opt/agent
mkdir -p $agent/bin $agent/lib $agent/so
python=$(readlink -f "$(command -v python3)")
cp "$python" $agent/bin/python3
cp -r "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" $agent/lib/
rm -rf $agent/lib/python3*/test $agent/lib/python3*/site-packages $agent/lib/python3*/dist-packages
# The web pages of a server that nothing here starts.
rm -rf $agent/site/litellm/proxy/_experimental/out
{ echo "$python"; find $agent -name '*.so*' -type f; } | xargs -n 1 ldd 2>/dev/null |
    sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | grep -v "^$agent" | while read -r library; do
    cp -L "$library" $agent/so/
done
cp -L "$(ldd "$python" | sed -n 's/^[[:space:]]*\(\/[^ ]*ld-[^ ]*\) .*/\1/p')" $agent/so/loader
cp /tmp/build/start.py $agent/start.py
cat > $agent/bin/mini <<'END'
#!/bin/sh
exec /opt/agent/so/loader --library-path /opt/agent/so /opt/agent/bin/python3 -I /opt/agent/start.py "$@"
END
chmod 755 $agent/bin/mini
# A container without a writable file system would compile all of it again in each trial.
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash $agent/site $agent/lib || true
MSWEA_CONFIGURED=true MSWEA_GLOBAL_CONFIG_DIR=/tmp/build $agent/bin/mini --help >/dev/null
