/* placeholder */ typedef int ip_empty;
