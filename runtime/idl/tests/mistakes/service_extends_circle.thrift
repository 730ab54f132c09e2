service A extends B {}
service B extends C {}
service C extends A {}
service D extends D {}
