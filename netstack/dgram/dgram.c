/* placeholder */ typedef int dgram_empty;
