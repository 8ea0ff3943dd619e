/* placeholder */ typedef int link_empty;
